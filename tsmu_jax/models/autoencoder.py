"""The autoencoder of one ecoregion, which tells its image pairs from those of others (section V-E)."""

import flax.linen as nn
import jax


class Autoencoder(nn.Module):
    """One hidden fully connected layer to encode, one to decode: 2 n hidden + hidden + n parameters for n inputs.

    The paper leaves the hidden layer's activation open. With ReLU most units die within a few steps, all inputs being
    positive, and what is left reconstructs the mean image alone: so inputs are centred, and the activation is ELU.
    The sigmoid of section V-E is left to the caller, who needs the logits for a stable cross-entropy.
    """

    hidden: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Args: x: f32[b, n] in [0, 1], flattened pairs. Returns logits f32[b, n] of the reconstruction."""
        code = nn.elu(nn.Dense(self.hidden, name="encode")(x - 0.5))
        return nn.Dense(x.shape[-1], name="decode")(code)
