"""How a shape is made: process class, findings, operations, estimates."""
