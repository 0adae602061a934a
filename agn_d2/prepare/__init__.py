"""From what a data set is released as to images, annotations, landmarks and priors."""
