"""Images: idx files as of MNIST, and folders of pictures."""
