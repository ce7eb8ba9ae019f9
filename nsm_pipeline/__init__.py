"""Weekly North Star Metrics per use case: computed from usage events, certified, published for BI."""
