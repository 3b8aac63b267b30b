"""How the emulators are served: `emulator` is their base, `control` their switches over HTTP, `doors` who may ask."""
