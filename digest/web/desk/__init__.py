"""The editors' preview: the matrix, one edition, one reader."""
