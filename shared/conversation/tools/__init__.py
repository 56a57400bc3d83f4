"""One file per group of tools. A function with `@tool` is a tool; nothing lists them by hand."""
