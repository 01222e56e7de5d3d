"""Where cases come from: embedded anatomy, sampling and splits, raw datasets and their manifests."""
