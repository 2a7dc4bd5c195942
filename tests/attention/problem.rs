//! A problem with its data and its references.

use half::{bf16, f16};
use warpsmith::ops::attention::{self, Options};
use warpsmith::reference::attention::{self as reference, Problem};
use warpsmith::{Buffer, Device, Float, Result};

use crate::common::compare::Comparison;
use crate::common::data::{Rng, widen};

/// What a case asks for.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub batch: usize,
    pub queries: usize,
    pub keys: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub causal: bool,
}

impl Case {
    pub fn problem(&self) -> Problem {
        let Self { batch, queries, keys, heads, kv_heads, head_dim, causal } = *self;
        let scale = 1.0 / (head_dim as f64).sqrt();
        Problem { batch, queries, keys, heads, kv_heads, head_dim, scale, causal }
    }

    /// Runs forward on a device and compares.
    pub fn check_forward<D: Device, T: Float>(&self, device: &D, name: &str) -> Result<()> {
        let Self { batch, queries, keys, heads, kv_heads, head_dim, causal } = *self;
        let mut rng = Rng::new(queries as u64 * 1000 + keys as u64);
        let q: Vec<T> = rng.normals(batch * queries * heads * head_dim, 0.0, 1.0);
        let k: Vec<T> = rng.normals(batch * keys * kv_heads * head_dim, 0.0, 1.0);
        let v: Vec<T> = rng.normals(batch * keys * kv_heads * head_dim, 0.0, 1.0);
        let problem = self.problem();
        let oracle = reference::forward(&problem, &widen(&q), &widen(&k), &widen(&v));
        let naive = reference::naive::forward(&problem, &q, &k, &v);

        let (dq, dk, dv) = (device.upload(&q)?, device.upload(&k)?, device.upload(&v)?);
        let mut o = device.upload(&vec![T::from_f64(f64::NAN); q.len()])?;
        let mut lse = device.upload(&vec![f32::NAN; batch * heads * queries])?;
        let kv_shape = [batch, keys, kv_heads, head_dim];
        attention::forward(
            device,
            attention::Forward {
                q: dq.view([batch, queries, heads, head_dim])?,
                k: dk.view(kv_shape)?,
                v: dv.view(kv_shape)?,
                o: o.view_mut([batch, queries, heads, head_dim])?,
                lse: Some(lse.view_mut([batch, heads, queries])?),
            },
            Options { causal, scale: None },
        )?;
        let got = device.download(&o)?;
        let got_lse = device.download(&lse)?;
        let name = format!("{name} {} {self:?}", T::DTYPE);
        let o =
            Comparison { name: &format!("{name} o"), cols: head_dim, got: &got, oracle: &oracle.o, naive: &naive.o }
                .assert();
        let l = Comparison {
            name: &format!("{name} lse"),
            cols: queries,
            got: &got_lse,
            oracle: &oracle.lse,
            naive: &naive.lse,
        }
        .assert();
        println!("{name}: o {o:?} lse {l:?}");
        Ok(())
    }
}

pub fn both<D: Device>(device: &D, name: &str, case: Case) {
    case.check_forward::<D, bf16>(device, name).unwrap();
    case.check_forward::<D, f16>(device, name).unwrap();
}
