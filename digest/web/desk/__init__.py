"""Editors' preview: all editions, one edition, the edition of one subscriber."""
