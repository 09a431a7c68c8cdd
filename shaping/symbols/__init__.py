"""Formulas as sympy writes them: for groups of every size at once, and for large ones.

forms     a design with N, n_pos and its parameters free
signs     what is seen of a value over c correct and d wrong answers
series    values of a formula in powers of 1 / N
powers    what sympy must not be asked to write out
"""
