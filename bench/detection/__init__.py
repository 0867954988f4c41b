"""What the detectors find, miss and make up: `python -m bench.detection`. Never run by the tests."""
