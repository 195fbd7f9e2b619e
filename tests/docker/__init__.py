"""The files under docker/, held to the code and to the schemas of those who read them."""
