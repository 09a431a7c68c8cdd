"""A design on every group that there can be: exact advantages, and whether there is one.

exact     advantages as rationals and square roots, for given rewards or for n_pos = 0..N
check     is there a value for every group of N? gaps.py looks where there is none, ranges.py sees that a divisor is
          never 0
rows      all 0/1 groups, smallest first
push      how hard each of them pushes
"""
