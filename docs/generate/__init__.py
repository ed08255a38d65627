"""What the documentation site makes while building: API pages, paper pages, formulas."""
