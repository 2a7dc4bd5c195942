hip = xpu = None
cuda = "13.0"
