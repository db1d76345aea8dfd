"""What is measured on a shape: triangles, bodies, holes, walls, reach, and the model to look at."""
