"""The equations of agn_d2.cross_view.relation, one candidate at a time."""

import math


def slow_delta(attention, own, partner, *, height):
    """delta of each candidate; views are lists of dicts s, d, h, l and their breast height."""
    (candidates, own_height), (others, partner_height) = own, partner
    unit = (own_height + partner_height) / 2
    sigma_d = math.exp(attention.log_sigma_depth)
    sigma_l = math.exp(attention.log_sigma_size)
    n = float(attention.null)
    u, v, w = attention.change.weight[0].tolist()
    b = float(attention.change.bias)
    deltas = []
    for i in candidates:
        here, whole = math.exp(n), math.exp(n)
        for j in others:
            e = -((i["d"] - j["d"]) ** 2) / unit**2 / (2 * sigma_d**2)
            e -= (math.log(i["l"]) - math.log(j["l"])) ** 2 / (2 * sigma_l**2)
            if height:
                sigma_h = math.exp(attention.log_sigma_height)
                e -= (i["h"] - j["h"]) ** 2 / unit**2 / (2 * sigma_h**2)
            here += math.exp(j["s"] + e)
            whole += math.exp(j["s"])
        p = math.log(here)
        r = p - math.log(whole)
        deltas.append(u * i["s"] + v * p + w * r + b)
    return deltas
