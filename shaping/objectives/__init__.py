"""From a design to the objective that it climbs, and back.

objective    the weight w(p) of the mean gradient, exactly
recognize    which objective has that weight; limits.py, as groups grow
dynamics     noise of the gradient, time to learn
explain      all of it for one design; words.py says it

goal         an objective, read; closed.py, what groups are paid for it; baselines.py, less what
derive       the text of a design that climbs it
"""
