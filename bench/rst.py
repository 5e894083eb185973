# SPDX-License-Identifier: GPL-2.0-only
"""What the pages of bench/ are made of."""


def simple_table(rows):
    """The first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rule = "  ".join("=" * w for w in widths)
    # An empty first cell would continue the row before.
    lines = ["  ".join(c.ljust(w) if not i else c.rjust(w)
                       for i, (c, w) in enumerate(zip(row, widths))).rstrip()
             for row in rows]
    return "\n".join([rule, lines[0], rule] + lines[1:] + [rule])
