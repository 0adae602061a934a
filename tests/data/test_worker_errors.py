"""What a data loader's process meets reads as if it had met the main process."""

import pytest
from torch.utils.data import DataLoader, Dataset

from agn_d2.data.worker_errors import without_worker_traceback


class Broken(Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 1

    def __getitem__(self, item):
        try:
            {}["inner"]
        except KeyError as inner:
            raise self.error from inner


@pytest.mark.parametrize("kind", [FileNotFoundError, ValueError])
def test_only_the_message_itself_is_left(kind):
    loader = DataLoader(Broken(kind("No image a.png: ValueError: no")), num_workers=1)
    with pytest.raises(kind) as caught:
        next(iter(loader))
    assert "Traceback" in str(caught.value)
    plain = without_worker_traceback(caught.value)
    assert type(plain) is kind
    assert str(plain) == "No image a.png: ValueError: no"


def test_other_errors_stay_as_they_are():
    for error in (ValueError("no"), KeyError("Caught KeyError"), ValueError()):
        assert without_worker_traceback(error) is error
