"""x"""
def render() -> dict[str, str]:
    return {}
