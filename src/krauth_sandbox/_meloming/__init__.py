"""The Meloming OpenAPI: `emulator` answers, `vault` keeps tokens, `consent` asks users, `channels` is the API."""
