"""Which steps of logged completions earned their returns, by factors of the steps."""
