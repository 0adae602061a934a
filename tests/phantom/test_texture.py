"""Texture: spectrum, variance, and the projection of the volume."""

import numpy as np
import pytest

from agn_d2.phantom.texture import power_law_noise, project_volume, sample_profile


@pytest.mark.parametrize("beta", [2.0, 3.0])
def test_spectrum_falls_with_beta(beta):
    rng = np.random.default_rng(0)
    power = np.zeros((256, 256))
    for _ in range(8):
        power += np.abs(np.fft.fft2(power_law_noise((256, 256), rng, beta=beta))) ** 2
    f = np.fft.fftfreq(256)
    radius = np.hypot(f[:, None], f[None, :])
    bins = np.geomspace(0.02, 0.45, 16)
    which = np.digitize(radius, bins)
    mean = [power[which == i].mean() for i in range(1, 16)]
    center = [radius[which == i].mean() for i in range(1, 16)]
    slope = np.polyfit(np.log(center), np.log(mean), 1)[0]
    assert slope == pytest.approx(-beta, abs=0.1)


@pytest.mark.parametrize("shape", [(64, 64), (63, 100), (16, 16, 16)])
def test_noise_has_unit_variance_and_its_shape(shape):
    rng = np.random.default_rng(1)
    fields = [power_law_noise(shape, rng, beta=1.0) for _ in range(40)]
    assert fields[0].shape == shape
    assert fields[0].dtype == np.float32
    assert np.mean([f.var() for f in fields]) == pytest.approx(1.0, rel=0.1)


def test_projection_adds_up_along_the_rays():
    n = 12
    rng = np.random.default_rng(2)
    gland = rng.random((n, n, n)).astype(np.float32)
    inside = np.ones_like(gland)
    for angle in (np.pi / 2, np.radians(40)):
        profile, reach = project_volume(gland, inside, 50.0, angle)
        assert reach == pytest.approx(50.0 * np.sqrt(2))
        rows = profile.shape[0]
        tissue, chord = np.zeros((rows, n)), np.zeros((rows, n))
        for i, j, k in np.ndindex(n, n, n):
            y, z = ((np.array([j, k]) + 0.5) / n * 2 - 1) * 50.0
            at = (1 - (y * np.sin(angle) + z * np.cos(angle)) / reach) * rows / 2 - 0.5
            low = int(np.floor(at))
            for row, share in ((low, 1 - (at - low)), (low + 1, at - low)):
                tissue[row, i] += share * gland[i, j, k]
                chord[row, i] += share
        expected = tissue / (chord + 0.12 * chord.max())
        np.testing.assert_allclose(profile, expected, atol=1e-4)


def test_dense_spot_is_found_where_the_view_puts_it():
    n, half, depth = 40, 80.0, 100.0
    gland = np.zeros((n, n, n), np.float32)
    # The cell at x 41.25, y +50, z -22 mm.
    gland[16, 32, 14] = 1.0
    x, y, z = 41.25, 50.0, -22.0
    for angle in (np.pi / 2, np.radians(45)):
        profile, reach = project_volume(gland, np.ones_like(gland), half, angle)
        u = y * np.sin(angle) + z * np.cos(angle)
        grid_u, grid_x = np.meshgrid(np.arange(-110, 111.0), np.arange(0, 100.0), indexing="ij")
        image = sample_profile(profile, reach, depth, grid_x, grid_u)
        peak = np.unravel_index(image.argmax(), image.shape)
        assert abs(grid_u[peak] - u) < 2.5
        assert abs(grid_x[peak] - x) < 2.0
