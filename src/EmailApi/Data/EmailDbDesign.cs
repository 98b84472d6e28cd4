using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

namespace EmailApi.Data;

/// <summary>For <c>dotnet ef migrations add</c>, which needs the model and no database.</summary>
sealed class EmailDbDesign : IDesignTimeDbContextFactory<EmailDb>
{
    public EmailDb CreateDbContext(string[] args) =>
        new((DbContextOptions<EmailDb>)EmailDb.Configure(new DbContextOptionsBuilder<EmailDb>(), o => o.UseNpgsql("Host=127.0.0.1")).Options);
}
