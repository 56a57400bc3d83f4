// Adds messages as they arrive. Without this script the page reloads itself; both show the same.
"use strict";
const list = document.getElementById("messages");
let total = null;
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

async function refresh() {
  const answer = await fetch("/messages.json?since=999999999");
  const counts = await answer.json();
  const found = counts.total + counts.edits;
  if (total !== null && found !== total) {
    const page = await fetch(location.href);
    const fresh = new DOMParser().parseFromString(await page.text(), "text/html");
    document.title = fresh.title;
    for (const card of [...fresh.querySelectorAll("#messages > article")].reverse()) {
      const known = document.getElementById(card.id);
      if (known && known.dataset.edited !== card.dataset.edited) {
        card.classList.add("new");
        known.replaceWith(card);
      }
      if (!known) {
        list.querySelector(".empty")?.remove();
        card.classList.add("new");
        list.prepend(card);
      }
    }
  }
  total = found;
}

setInterval(() => refresh().catch(() => { document.title = "(stopped) Tocsin inbox"; }), 1500);
