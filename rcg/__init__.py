"""RCG, the open workbench for grading trading cards."""
