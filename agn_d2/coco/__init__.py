"""COCO JSON: read once, every value checked. Training and evaluation both read through here."""
