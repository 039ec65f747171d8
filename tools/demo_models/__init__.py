"""The demo models: how they are trained, judged and described.

`train_image`, `train_solids` and `train_solids_from_image` each make a folder of one model, in this order: the third is
trained on what the first two make. `judge_image`, `judge_solids` and `judge_solids_from_image` measure a folder over a
fixed test set and write the tables of its model card. `sheet` draws the pictures of the documentation.
"""
