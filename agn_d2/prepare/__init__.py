"""Data sets as they are released, brought into the form that training reads."""
