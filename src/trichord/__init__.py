"""trichord: one embedding space for video, audio and text, trained in stages and measured so that the numbers hold."""

__version__ = "0.1.0"
