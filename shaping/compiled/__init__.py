"""A design → a torch function, and what stands around it when rewards come in.

lower      formulas → calls of torch and of kernels.py, in a graph (graph.py)
counted    what counts alone decide, as tables
draws      which answers each draw of a `draws:` section has
apply      rewards are looked at, the function is called, advantages are looked at
bench      how fast that is
"""
