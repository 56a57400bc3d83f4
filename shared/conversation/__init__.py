"""The conversation: what a model can ask for, as MCP tools on the verbs of `shared.manage`.

`tools/` has one file per group of tools; `tooling` makes them strict; `server` answers; `app` is what HTTP reaches.
"""
