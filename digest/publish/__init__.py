"""One issue before it leaves the house: build, check, approve, freeze, archive."""
