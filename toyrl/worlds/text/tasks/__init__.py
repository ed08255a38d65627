"""Tasks beside arithmetic: problems, right and wrong texts of known truth (`base.Task`)."""
