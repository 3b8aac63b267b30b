"""The demo: `_command` starts it, `_scenes` runs it."""
