"""A training step's gradient as one CUDA graph: a thousand small kernels, started at once in place of one by one."""
import torch

WARM_UPS = 3            # for what compilers and libraries set up on the first calls


def gradient(loss_of, parameters, *batch):
    """loss_of(*batch) -> loss, parts; the gradient for each of `parameters` in one tensor each, and the parts."""
    loss, parts = loss_of(*batch)
    return torch.autograd.grad(loss, parameters), parts


class Recorded:
    """gradient() of batches of one size, recorded with the first and replayed: results are overwritten by the next call.

    loss_of() must not ask for a value on the host, and must read nothing that changes but the batch and the parameters.
    """

    def __init__(self, loss_of, parameters):
        self.loss_of, self.parameters, self.graph = loss_of, parameters, None

    def __call__(self, *batch):
        if self.graph is None:
            self.record(batch)
        torch._foreach_copy_(self.batch, batch)
        self.graph.replay()
        return self.result

    def record(self, batch):
        self.batch = [x.clone() for x in batch]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                gradient(self.loss_of, self.parameters, *self.batch)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.result = gradient(self.loss_of, self.parameters, *self.batch)
