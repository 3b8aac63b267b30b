"""The page at / of either port: `desk` answers, `page` writes the HTML, `words` has the Korean and the English."""
