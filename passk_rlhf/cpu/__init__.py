"""OpenRLHF, vLLM and DeepSpeed on a machine without a GPU. Nothing here is imported on a GPU run."""
