"""What the views of a case cost: time and memory beside stock Detectron2."""
