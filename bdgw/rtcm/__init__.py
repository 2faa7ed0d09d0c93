"""RTCM 3: frames. Contents of messages are decoded elsewhere; a frame travels on as it came."""
