"""What ``rhodiff-hpc doctor`` looks at on a node: small checks with one kind of answer, and a fix for each fault.

``checks`` says what a check is and runs them; the other modules are the checks, one subject each.
"""
