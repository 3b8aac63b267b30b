"""The Naver Commerce API: `emulator` answers, `tokens` remembers, `signature` checks, `errors` lists."""
