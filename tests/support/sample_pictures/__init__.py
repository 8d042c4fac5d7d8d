"""Scenes of the sample's pictures; `scripts/sample-images` writes them."""
