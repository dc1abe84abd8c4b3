//! Where the time of an extraction went, in one line.

use swath_extract::StageTimes;

use crate::stopwatch::Spent;

/// Returns a line that splits the processor time of a run into its stages.
///
/// What is neither of them (planning, the catalogue, leases, what others do for a stage) is the rest; it is
/// known where all of the work was done in this process.
pub fn split_line(spent: Spent, stages: &StageTimes) -> String {
    let mut line = format!(
        "{:.1} s; of the processors: fetch {:.1} s, decode {:.1} s, statistics {:.1} s, write {:.1} s",
        spent.wall_s,
        stages.fetch.cpu_s,
        stages.decode.cpu_s,
        stages.statistics.cpu_s,
        stages.write.cpu_s
    );
    if let Some(cpu_s) = spent.cpu_s {
        line += &format!(", rest {:.1} s", (cpu_s - stages.cpu_s()).max(0.0));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use swath_extract::StageTime;

    #[test]
    fn the_rest_is_what_no_stage_took() {
        let time = |cpu_s| StageTime { cpu_s, wall_s: 9.0 };
        let stages = StageTimes {
            fetch: time(1.0),
            decode: time(2.0),
            statistics: time(3.0),
            write: time(0.5),
        };
        let spent = |cpu_s| Spent { wall_s: 4.0, cpu_s };
        assert_eq!(
            split_line(spent(Some(7.25)), &stages),
            "4.0 s; of the processors: fetch 1.0 s, decode 2.0 s, statistics 3.0 s, write 0.5 s, rest 0.8 s"
        );
        assert!(split_line(spent(None), &stages).ends_with("write 0.5 s"));
    }
}
