"""Writers' rewards: averaged advantages, phrases that are paid, scores that are calibrated."""
