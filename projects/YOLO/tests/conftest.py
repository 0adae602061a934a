"""The toy data set of the package's own tests."""

from tests.conftest import toy_datasets, toy_root

__all__ = ["toy_datasets", "toy_root"]
