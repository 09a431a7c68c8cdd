"""A design → a torch function, and what stands around it when rewards come in.

lower      the function of a design for groups of N, made once
lowering   formulas → calls of torch and of kernels.py, in a graph (graph.py); tokens: those of `token:`
counted    what counts alone decide, as tables
draws      which answers each draw of a `draws:` section has
apply      rewards are looked at, the function is called, advantages are looked at
bench      how fast that is
"""
