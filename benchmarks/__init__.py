"""What the product is measured by; run each as a module."""
