"""A training step's gradient as one CUDA graph: a thousand small kernels, started at once in place of one by one."""
import torch

WARM_UPS = 3            # for what compilers and libraries set up on the first calls


def gradient(loss_of, parameters, *batch):
    """loss_of(*batch) -> loss, parts; the gradient for each of `parameters` in one tensor each, and the parts."""
    loss, parts = loss_of(*batch)
    return torch.autograd.grad(loss, parameters), parts


class Recorded:
    """gradient() recorded with the first batch of each size and replayed: results are overwritten by the next call.

    loss_of() must not ask for a value on the host, and must read nothing that changes but the batch and the parameters.
    """

    def __init__(self, loss_of, parameters):
        self.loss_of, self.parameters, self.recordings = loss_of, parameters, {}

    def __call__(self, *batch):
        size = batch[0].shape
        if size not in self.recordings:
            self.recordings[size] = self.record(batch)
        graph, held, result = self.recordings[size]
        torch._foreach_copy_(held, batch)
        graph.replay()
        return result

    def record(self, batch):
        """-> the graph, the tensors that it reads, and those that it writes."""
        held = [x.clone() for x in batch]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                gradient(self.loss_of, self.parameters, *held)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = gradient(self.loss_of, self.parameters, *held)
        return graph, held, result
