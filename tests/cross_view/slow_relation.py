"""The equations of agn_d2.cross_view.relation, one candidate at a time."""

import math


def slow_terms(attention, own, partner, *, height):
    """exp a_ij of each candidate i, over j = 1, 2, ... and 0; arguments as of ``slow_delta``."""
    (candidates, own_height), (others, partner_height) = own, partner
    unit = (own_height + partner_height) / 2
    sigma_d = math.exp(attention.log_sigma_depth)
    sigma_l = math.exp(attention.log_sigma_size)
    rows = []
    for i in candidates:
        row = []
        for j in others:
            e = -((i["d"] - j["d"]) ** 2) / unit**2 / (2 * sigma_d**2)
            e -= (math.log(i["l"]) - math.log(j["l"])) ** 2 / (2 * sigma_l**2)
            if height:
                sigma_h = math.exp(attention.log_sigma_height)
                e -= (i["h"] - j["h"]) ** 2 / unit**2 / (2 * sigma_h**2)
            row.append(math.exp(j["s"] + e))
        rows.append([*row, math.exp(attention.null)])
    return rows


def slow_delta(attention, own, partner, *, height):
    """delta of each candidate; views are lists of dicts s, d, h, l and their breast height."""
    v, w = attention.change.weight[0].tolist()
    b = float(attention.change.bias)
    whole = math.exp(attention.null) + sum(math.exp(j["s"]) for j in partner[0])
    deltas = []
    for row in slow_terms(attention, own, partner, height=height):
        p = math.log(sum(row))
        r = p - math.log(whole)
        deltas.append(v * p + w * r + b)
    return deltas
