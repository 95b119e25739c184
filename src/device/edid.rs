// SPDX-License-Identifier: MIT OR Apache-2.0
//! The physical size that a display states in its EDID (VESA E-EDID standard, release A2).

/// The size of a display's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Millimetres.
    pub width: u32,
    /// Millimetres.
    pub height: u32,
}

/// The size that an EDID states; none where it states none, or where it is no EDID with a right
/// checksum. Takes any bytes.
///
/// The base block gives centimetres, the first detailed timing millimetres: those refine the
/// centimetres where both agree, and stand in for them where there are none.
#[must_use]
pub fn size(edid: &[u8]) -> Option<Size> {
    let block = base_block(edid)?;
    let coarse = Size { width: u32::from(block[21]) * 10, height: u32::from(block[22]) * 10 };
    let fine = timing_size(&block[54..72]);
    // One zero is an aspect ratio, two are no size at all (a projector).
    if coarse.width == 0 || coarse.height == 0 {
        return fine.filter(|fine| fine.width >= 100 && fine.height >= 100);
    }
    let agreed = fine.filter(|fine| {
        fine.width.abs_diff(coarse.width) <= 10 && fine.height.abs_diff(coarse.height) <= 10
    });
    // Some displays state their aspect ratio for a size: 16 by 9 cm is no television.
    agreed.or(Some(coarse)).filter(|_| !matches!((block[21], block[22]), (16, 9 | 10)))
}

fn base_block(edid: &[u8]) -> Option<&[u8; 128]> {
    let block: &[u8; 128] = edid.first_chunk()?;
    let header = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
    let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    (block.starts_with(&header) && sum == 0).then_some(block)
}

/// The image size of an 18-byte descriptor, where that is a detailed timing (its pixel clock is
/// not zero) with a size.
fn timing_size(descriptor: &[u8]) -> Option<Size> {
    let &[low, high, .., width, height, upper, _, _, _] = descriptor else { return None };
    let size = Size {
        width: u32::from(width) | u32::from(upper >> 4) << 8,
        height: u32::from(height) | u32::from(upper & 0xf) << 8,
    };
    ((low, high) != (0, 0) && size.width != 0 && size.height != 0).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An EDID with a size in centimetres and a first timing with one in millimetres.
    fn edid(cm: (u8, u8), mm: (u16, u16)) -> [u8; 128] {
        let mut block = [0; 128];
        block[..8].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
        (block[21], block[22]) = cm;
        (block[54], block[55]) = (0x02, 0x3a);
        (block[66], block[67]) = (mm.0 as u8, mm.1 as u8);
        block[68] = ((mm.0 >> 8) << 4 | mm.1 >> 8) as u8;
        seal(block)
    }

    fn seal(mut block: [u8; 128]) -> [u8; 128] {
        block[127] = 0;
        block[127] = block.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
        block
    }

    const fn mm(width: u32, height: u32) -> Option<Size> {
        Some(Size { width, height })
    }

    #[test]
    fn millimetres_refine_centimetres_where_both_agree() {
        assert_eq!(size(&edid((60, 34), (597, 336))), mm(597, 336));
        assert_eq!(size(&edid((60, 34), (0, 0))), mm(600, 340));
        assert_eq!(size(&edid((121, 68), (708, 398))), mm(1210, 680));
        assert_eq!(size(&edid((121, 68), (1220, 681))), mm(1220, 681));
        assert_eq!(size(&edid((121, 68), (1221, 681))), mm(1210, 680));
    }

    #[test]
    fn a_display_that_states_no_size_has_none() {
        assert_eq!(size(&edid((0, 0), (0, 0))), None);
        assert_eq!(size(&edid((79, 0), (16, 9))), None, "an aspect ratio");
        assert_eq!(size(&edid((16, 9), (160, 90))), None, "an aspect ratio");
        assert_eq!(size(&edid((0, 0), (708, 398))), mm(708, 398));
        assert_eq!(size(&edid((160, 90), (0, 0))), mm(1600, 900));
    }

    #[test]
    fn a_first_descriptor_that_is_no_timing_has_no_size() {
        let mut block = edid((60, 34), (597, 336));
        (block[54], block[55]) = (0, 0);
        assert_eq!(size(&seal(block)), mm(600, 340));
    }

    #[test]
    fn bytes_that_are_no_edid_have_no_size() {
        let good = edid((60, 34), (597, 336));
        assert_eq!(size(&good[..127]), None);
        assert_eq!(size(&[]), None);
        assert_eq!(size(&[0; 128]), None);
        for i in 0..128 {
            let mut bad = good;
            bad[i] ^= 0x10;
            assert_eq!(size(&bad), None, "byte {i}");
        }
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..10_000 {
            let mut block = [0; 128];
            random.fill(&mut block[8..]);
            block[..8].copy_from_slice(&good[..8]);
            let _ = size(&seal(block));
            let _ = size(&block[..random.usize(..128)]);
        }
    }
}
