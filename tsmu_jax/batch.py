"""Keys of a batch. Every array has the batch as its first axis."""

IMAGE = "image"  # u8[b, s, s, c]
MASK = "mask"  # u8[b, s, s] of the values in mask.py
FLIP = "flip"  # i32[b] in [0, FLIPS): bit 0 mirrors left and right, bit 1 top and bottom
WEIGHT = "weight"  # f32[b]: 1, or 0 for padding
DECODER = "decoder"  # i32[b]: which of the phase's supervised decoders the labels train
ROW = "row"  # i32[b]: of the table of recorded features
FEATURES = "features"  # f16[b, s, s, k]: what a frozen encoder makes of the image, flipped
RESPONSES = "responses"  # f32[b, d, s, s]: stored logits of the d distilled decoders

FLIPS = 4
